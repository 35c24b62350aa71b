"""Number the expressions of Ref-DAVIS17: expression 4 o + k is set k's about object o + 1.

Two annotators wrote two sets each: from the first frame, and from the whole video.
"""

NUM_EXPRESSION_SETS = 4


def expression_set_of(exp_id: str) -> int:
    """Return the set that an expression belongs to."""
    return int(exp_id) % NUM_EXPRESSION_SETS


def object_of(exp_id: str) -> int:
    """Return the object, from 1 on, that an expression is about."""
    return int(exp_id) // NUM_EXPRESSION_SETS + 1
