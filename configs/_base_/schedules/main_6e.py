# Main training: 6 epochs, learning rate drops after 3 and 5, 8 GPUs with 1 clip each.
train_cfg = dict(type='EpochCountedTrainLoop', max_epochs=6, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=5e-4),
    clip_grad=dict(max_norm=0.1),
    # 5e-5 for the backbone, 1e-5 for the text encoder if it is trained
    paramwise_cfg=dict(
        custom_keys=dict(backbone=dict(lr_mult=0.5), language_model=dict(lr_mult=0.1))
    ),
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[3, 5],
        gamma=0.1,
        end=6,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
