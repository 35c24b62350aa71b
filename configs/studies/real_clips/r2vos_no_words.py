# Without word maps: only training relates words to images.
_base_ = './r2vos.py'
model = dict(
    word_maps=None, neck=dict(word_input=None), cycle_head=dict(sees_words=False, prior_weight=0.0)
)
