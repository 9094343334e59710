"""Conformance: the contract of a method, checked and measured in processes of their own."""
