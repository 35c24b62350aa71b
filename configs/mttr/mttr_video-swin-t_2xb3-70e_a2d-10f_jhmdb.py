# MTTR tested on JHMDB-Sentences with the weights of mttr_video-swin-t_2xb3-70e_a2d-10f.py
# (published: mAP 39.2).
_base_ = './mttr_video-swin-t_2xb3-70e_a2d-10f.py'
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='JHMDBSentencesDataset',
        data_root='data/jhmdb_sentences',
        window=10,
        pipeline=[
            dict(
                type='TransformBroadcaster',
                transforms=[
                    dict(type='LoadVideoFrame'),
                    dict(type='Resize', scale=(576, 320), keep_ratio=True),
                    dict(type='LoadMasks'),
                ],
            ),
            dict(type='PackReferringInputs'),
        ],
    )
)
