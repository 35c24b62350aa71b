# MTTR on Refer-YouTube-VOS: 30 epochs, learning rate x 0.4 after 20, mixed precision. The released
# trainer passes the loss to the scheduler as the epoch, so its rate drops after the first epoch. To
# approximate this, use --cfg-options optim_wrapper.optimizer.lr=4e-5 param_scheduler.0.gamma=1.
train_cfg = dict(type='EpochCountedTrainLoop', max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='auto',  # bfloat16 where native, else float32; 'float32' switches it off
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1),
    # 1e-5 for the backbone, 5e-5 for the text encoder if it is trained
    paramwise_cfg=dict(
        custom_keys=dict(backbone=dict(lr_mult=0.1), language_model=dict(lr_mult=0.5))
    ),
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[20],
        gamma=0.4,
        end=30,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(enable=False, base_batch_size=4)
