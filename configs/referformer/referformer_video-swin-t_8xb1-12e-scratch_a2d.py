# ReferFormer, Video-Swin-T, on A2D-Sentences from Kinetics-400 weights (published mAP 48.6): clips
# of 6 frames, 12 epochs, no dropout, less weight decay, 8 GPUs with 1 clip each.
_base_ = './referformer_video-swin-t_8xb2-6e_a2d.py'
clip_length = 6
max_epochs = 12
ffn = dict(ffn_drop=0.0)
undropped = dict(dropout=0.0)
model = dict(
    text_encoder=undropped,
    neck=dict(
        encoder=dict(layer_cfg=dict(self_attn_cfg=undropped, ffn_cfg=ffn)),
        grounding=dict(block=undropped),
        pyramid=dict(block=undropped),
    ),
    mask_head=dict(
        decoder=dict(layer_cfg=dict(self_attn_cfg=undropped, cross_attn_cfg=undropped, ffn_cfg=ffn))
    ),
)
train_dataloader = dict(batch_size=1, dataset=dict(clip_length=clip_length))
val_dataloader = dict(dataset=dict(clip_length=clip_length))
test_dataloader = dict(dataset=dict(clip_length=clip_length))
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[8, 10],
        gamma=0.1,
        end=max_epochs,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(base_batch_size=8)
