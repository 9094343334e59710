"""The methods of the benchmark, one module each, loaded as a third party's would be."""
