# MTTR on A2D-Sentences: 70 epochs, learning rate x 0.4 after 50.
_base_ = './mttr_30e.py'
train_cfg = dict(max_epochs=70)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[50],
        gamma=0.4,
        end=70,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(base_batch_size=6)
