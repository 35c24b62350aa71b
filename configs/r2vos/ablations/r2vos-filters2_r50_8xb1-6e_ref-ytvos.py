# Table B: 2 dynamic filters instead of 3.
_base_ = '../r2vos_r50_8xb1-6e_ref-ytvos.py'
model = dict(neck=dict(grounding=dict(dynamic_filter=dict(num_filters=2))))
