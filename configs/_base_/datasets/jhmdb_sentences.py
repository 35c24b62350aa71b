# JHMDB-Sentences: evaluation of a model trained on A2D-Sentences, on MTTR's list of frames.
_base_ = './a2d_sentences.py'
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='JHMDBSentencesDataset',
        data_root='data/jhmdb_sentences',
        window=_base_.window,
        pipeline=[
            dict(
                type='TransformBroadcaster',
                transforms=[
                    dict(type='LoadVideoFrame'),
                    dict(type='Resize', scale=(640, 360), keep_ratio=True),
                    dict(type='LoadMasks'),
                ],
            ),
            dict(type='PackReferringInputs'),
        ],
    )
)
