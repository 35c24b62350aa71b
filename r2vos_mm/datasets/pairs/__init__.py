"""Pairs files, negative pairs, and the word lists that negatives are made with."""
