default_scope = 'r2vos_mm'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='ProgressLoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='SafeCheckpointHook',
        by_epoch=False,
        interval=1000,
        max_keep_ckpts=2,
        save_best='J&F&R',
        rule='greater',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    exact_resume=dict(type='ExactResumeHook'),
    finite_loss=dict(type='FiniteLossHook'),
    resumed_settings=dict(type='ResumedSettingsHook'),
    preemption=dict(type='PreemptionHook', signals=('SIGTERM',)),
    # enabled by tools/test.py --show-dir
    visualization=dict(type='ReferringVisualizationHook', draw=False),
)

env_cfg = dict(
    cudnn_benchmark=False,
    # None: the start method of the platform, fork on Linux and spawn on macOS and Windows
    mp_cfg=dict(mp_start_method=None, opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
visualizer = dict(type='ReferringVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_level = 'INFO'
# Exact resuming requires a fixed seed, which determines the order of the data.
randomness = dict(seed=0)
load_from = None
resume = False
