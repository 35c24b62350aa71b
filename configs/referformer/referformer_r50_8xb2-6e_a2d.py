# ReferFormer on A2D-Sentences, from RefCOCO weights (load_from). The backbone sees clips of 5
# frames, of which only the annotated one is passed on. Testing returns all queries to compute mAP.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/a2d_sentences.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
clip_length = 5
model = dict(test_cfg=dict(candidates=True, mask_reader=dict(type='InputSizeMaskReader')))
train_dataloader = dict(dataset=dict(clip_length=clip_length, positives_per_clip=1, negatives=None))
val_dataloader = dict(dataset=dict(clip_length=clip_length))
test_dataloader = dict(dataset=dict(clip_length=clip_length))
default_hooks = dict(checkpoint=dict(save_best='mAP'))
auto_scale_lr = dict(base_batch_size=16)
