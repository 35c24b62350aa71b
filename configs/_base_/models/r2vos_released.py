# R2-VOS as in the public code, for released checkpoints: D_v of four layers, dynamic mask
# convolutions, other loss weights and matching costs, and box terms that include frames without the
# object.
_base_ = './r2vos_r50.py'
model = dict(
    neck=dict(grounding=dict(attention=dict(projection_bias=True))),
    cycle_head=dict(
        loss_dist=dict(loss_weight=1.0),
        loss_angle=dict(loss_weight=1.0),
        loss_contrastive=dict(type='CycleContrastiveLoss', margin=0.5, loss_weight=0.1),
    ),
    mask_head=dict(
        absent_frame_weight=1.0,
        decoder=dict(num_layers=4),
        mask_predictor=dict(_delete_=True, type='DynamicMaskPredictor', channels=256),
        matcher=dict(
            costs=[
                dict(type='TubeScoreCost', weight=2.0),
                dict(type='TubeL1Cost', weight=5.0, absent_frame_weight=1.0),
                dict(type='TubeGIoUCost', weight=2.0, absent_frame_weight=1.0),
                dict(type='TubeFocalCost', weight=2.0),
                dict(type='TubeDiceCost', weight=5.0),
            ]
        ),
        loss_mask=dict(loss_weight=2.0),
        loss_dice=dict(loss_weight=5.0),
    ),
    # whole videos in one pass
    test_cfg=dict(frames_per_pass=None),
)
