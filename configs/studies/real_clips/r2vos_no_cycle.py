# Without cycle and verdict. Negative pairs still train the scores and masks.
_base_ = './r2vos.py'
model = dict(cycle_head=None, mask_head=dict(mixes_reconstruction=False))
