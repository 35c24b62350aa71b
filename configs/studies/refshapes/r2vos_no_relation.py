# R2-VOS whose reconstruction e' is tied to e by nothing but the verdict.
_base_ = './r2vos.py'
model = dict(cycle_head=dict(loss_dist=dict(loss_weight=0.0), loss_angle=dict(loss_weight=0.0)))
