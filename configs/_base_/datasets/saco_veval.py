# SA-Co/VEval, to evaluate models trained on Refer-YouTube-VOS. split, ann_file and image_folder
# select one of its parts: sav, yt1b (saco_yt1b/JPEGImages_6fps), smartglasses
# (saco_sg/JPEGImages_6fps). Metrics are those of the gate at 0.5, the threshold of the benchmark.
_base_ = './ref_youtube_vos.py'
test_dataloader = dict(
    dataset=dict(
        type='VEvalDataset',
        data_root='data/saco-veval',
        split='sav_val',
        ann_file='annotation/saco_veval_sav_val.json',
        image_folder='media/saco_sav/JPEGImages_24fps',
    )
)
