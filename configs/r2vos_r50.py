_base_ = './r2vos/r2vos_r50_8xb1-6e_ref-ytvos.py'
