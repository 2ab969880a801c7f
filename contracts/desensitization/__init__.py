"""Finding what a table must not reveal, and removing it from the bytes.

detect   which columns hold personal or commercially sensitive values
plan     what an agreement obliges: one rule a column, as data
methods  how each rule acts on an Arrow array
engine   a plan over whole files: stateless kernel, threads over row groups, same bytes every time
"""
