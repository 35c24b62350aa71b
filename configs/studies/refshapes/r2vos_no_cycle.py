# R2-VOS with early grounding, but without the cycle: no reconstruction and no verdict. Without the
# cycle, no component learns from negative pairs.
_base_ = './r2vos.py'
model = dict(cycle_head=None, mask_head=dict(mixes_reconstruction=False))
train_dataloader = dict(dataset=dict(negatives=None))
