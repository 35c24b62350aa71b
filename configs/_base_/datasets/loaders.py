# Samplers, workers and negative pairs that all data sets inherit.
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ClipSampler', shuffle=True, seed=0),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
# three positive and three negative expressions per clip
negatives = dict(
    type='TrainNegatives', per_clip=3, shares=dict(other_video=0.5, attribute=0.25, relation=0.25)
)
