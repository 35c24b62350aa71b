# Without word maps, so that words and pictures are tied by training only.
_base_ = './r2vos.py'
model = dict(
    word_maps=None, neck=dict(word_input=None), cycle_head=dict(sees_words=False, prior_weight=0.0)
)
