# MTTR tested on JHMDB-Sentences with the weights of mttr_video-swin-t_2xb3-70e_a2d-10f.py
# (published: mAP 39.2).
_base_ = './mttr_video-swin-t_2xb3-70e_a2d-10f.py'
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='JHMDBSentencesDataset',
        data_root='data/jhmdb_sentences',
        clip_length=_base_.clip_length,
        pipeline=_base_.mttr_jhmdb_test_pipeline,
    )
)
