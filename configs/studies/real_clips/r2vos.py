# The model of docs/real_video.md: R2-VOS with word maps and a frozen backbone.
_base_ = ['../../_base_/models/r2vos_effnet-lite2.py', './_base_/budget.py']
