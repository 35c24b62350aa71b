# R2-VOS, ResNet-50, trained and validated on version 2 of MeViS, whose expressions without a target
# are negative pairs. Its score is the mean of J&F, N_acc and T_acc.
_base_ = './r2vos_r50_8xb1-6e_mevis.py'
default_hooks = dict(checkpoint=dict(save_best='mevis', rule='greater'))
