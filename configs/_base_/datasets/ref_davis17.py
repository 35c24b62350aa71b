# Ref-DAVIS17, to evaluate models trained on Refer-YouTube-VOS. Uses the masks of the unsupervised
# release without void pixels (255). Reports the usual metrics first, then those per expression.
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
