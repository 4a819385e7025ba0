"""How the tests check types: by beartype, where an int may stand for a float as in Python itself."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
