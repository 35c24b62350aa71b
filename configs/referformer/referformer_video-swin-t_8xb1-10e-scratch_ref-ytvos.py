# ReferFormer, Video-Swin-T from Kinetics-400 weights, without pre-training on images (published J&F
# 56.0).
_base_ = './referformer_video-swin-t_8xb1-6e_ref-ytvos.py'
max_epochs = 10
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[6, 8],
        gamma=0.1,
        end=max_epochs,
        convert_to_iter_based=True,
    )
]
