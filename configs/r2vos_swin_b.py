_base_ = './r2vos/r2vos_video-swin-b_8xb1-6e_ref-ytvos.py'
