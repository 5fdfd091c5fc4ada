"""Deciding charge and discharge: one engine for every strategy."""
