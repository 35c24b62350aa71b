# Table B: 2 dynamic filters instead of 3.
_base_ = './r2vos.py'
model = dict(neck=dict(grounding=dict(dynamic_filter=dict(num_filters=2))))
