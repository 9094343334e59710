"""Groups that publishers' tables and identifiers tell, one style a module."""
