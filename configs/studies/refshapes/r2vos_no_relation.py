# R2-VOS without relational losses: only the verdict loss relates the reconstruction e' to e.
_base_ = './r2vos.py'
model = dict(cycle_head=dict(loss_dist=dict(loss_weight=0.0), loss_angle=dict(loss_weight=0.0)))
