# From scratch on two CPU cores: warm-up and one cosine over max_iters. Mixed precision
# takes bfloat16 where the device computes it natively, else float32.
max_iters = 5000
warmup = 300
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=2500)
val_cfg = dict(type='AutocastValLoop', dtype='auto')
test_cfg = dict(type='AutocastTestLoop', dtype='auto')
optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='auto',  # 'float32' switches mixed precision off
    accumulative_counts=1,
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters, eta_min_ratio=0.01),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
