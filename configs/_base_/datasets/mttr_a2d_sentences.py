# A2D-Sentences for MTTR: clips around the annotated frame, one expression per clip.
_base_ = ['./a2d_sentences.py', '../pipelines/mttr.py']
clip_length = 10
train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        clip_length=clip_length,
        positives_per_clip=1,
        negatives=None,
        with_instances=True,
        pipeline=_base_.mttr_a2d_train_pipeline,
    ),
)
val_dataloader = dict(dataset=dict(clip_length=clip_length, pipeline=_base_.mttr_a2d_test_pipeline))
test_dataloader = val_dataloader
