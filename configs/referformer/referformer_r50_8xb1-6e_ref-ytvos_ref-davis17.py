# ReferFormer, ResNet-50, tested on Ref-DAVIS17 with the weights of
# referformer_r50_8xb1-6e_ref-ytvos.py (published: J&F 58.5). Windows of 36 frames; one query is
# selected for the whole video.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/ref_davis17.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(frames_per_pass=36))
train_dataloader = dict(dataset=dict(positives_per_clip=1, negatives=None))
default_hooks = dict(checkpoint=dict(save_best='J&F'))
