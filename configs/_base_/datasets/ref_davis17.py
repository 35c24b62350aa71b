# Ref-DAVIS17, evaluation of a model trained on Refer-YouTube-VOS. Masks of the unsupervised
# release, whose void pixels (255) do not count; first the numbers of the field, then per sentence.
_base_ = './ref_youtube_vos.py'
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RefDAVIS17Dataset',
        data_root='data/ref-davis',
        split='valid',
        mask_folder='DAVIS/Annotations_unsupervised/480p',
        test_mode=True,
        pipeline=[*_base_.test_pipeline[:-1], dict(type='PackReferringInputs', void_id=255)],
    )
)
test_evaluator = dict(type='JFRMetric', protocols=['davis_unsup', 'per_expression'])
