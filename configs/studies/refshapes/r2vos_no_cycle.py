# R2-VOS without the cycle: early grounding alone, no reconstruction and no verdict, hence nothing
# that learns from negative pairs.
_base_ = './r2vos.py'
model = dict(cycle_head=None, mask_head=dict(mixes_reconstruction=False))
train_dataloader = dict(dataset=dict(negatives=None))
