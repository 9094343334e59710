"""The methods of the benchmark, one module each, loaded like a third party's."""
