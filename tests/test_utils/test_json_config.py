import json

import pytest

from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.json_config import restore_tuples, to_json


def test_tuples_come_back():
    config = dict(a=(1, [2.5, (None, 'x')]), b=[dict(c=((), True))], d={})
    content, tuples = to_json(config)
    assert content == dict(a=[1, [2.5, [None, 'x']]], b=[dict(c=[[], True])], d={})
    assert tuples == ['a', 'a.1.1', 'b.0.c', 'b.0.c.0']
    back = restore_tuples(json.loads(json.dumps(content)), tuples)
    assert back == config
    assert type(back['a'][1][1]) is tuple


@pytest.mark.parametrize(
    ('config', 'path'),
    [
        (dict(a=[0, float('nan')]), r'config\.a\.1 is nan'),
        (dict(a=dict(b=object)), r'config\.a\.b is <class'),
        (dict(a={1: 2}), r'config\.a is \{1: 2\}'),
    ],
)
def test_values_without_a_form_in_json(config, path):
    with pytest.raises(UsageError, match=path):
        to_json(config)
