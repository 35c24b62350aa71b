# Word maps reach the verdict, but neither encoder nor masks.
_base_ = './r2vos.py'
model = dict(neck=dict(word_input=None))
