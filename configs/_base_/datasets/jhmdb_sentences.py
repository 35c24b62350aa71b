# JHMDB-Sentences, to evaluate models trained on A2D-Sentences. Uses MTTR's list of frames.
_base_ = './a2d_sentences.py'
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='JHMDBSentencesDataset',
        data_root='data/jhmdb_sentences',
        clip_length=_base_.clip_length,
        pipeline=_base_.image_files_test_pipeline,
    )
)
