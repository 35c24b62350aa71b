# R2-VOS from scratch on the embedded data set: hours on two CPU cores, minutes on a GPU.
_base_ = [
    './_base_/models/r2vos_tiny.py', './_base_/datasets/refshapes.py',
    './_base_/schedules/tiny.py', './_base_/default_runtime.py']
val_dataloader = dict(dataset=dict(indices=32))  # videos; the test takes all
