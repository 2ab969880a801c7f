"""Agree: a buyer asks, both sides offer and counter, both sign one immutable agreement."""
