//! Points 2^(8 j) * G, j = 0 to 31, affine: what tables are computed from. Public constants; the
//! differential tests compare the tables' multiples with an independent implementation.

use crate::u256::U256;

pub(crate) const BASES: [[U256; 2]; 32] = [
    [U256([0xf4a1_3945_d898_c296, 0x7703_7d81_2deb_33a0, 0xf8bc_e6e5_63a4_40f2, 0x6b17_d1f2_e12c_4247]), U256([0xcbb6_4068_37bf_51f5, 0x2bce_3357_6b31_5ece, 0x8ee7_eb4a_7c0f_9e16, 0x4fe3_42e2_fe1a_7f9b])],
    [U256([0x2db2_e35f_12d0_441b, 0x190d_0b71_0d6a_564c, 0x87ff_d152_8603_ed61, 0x34a2_d4a3_b009_1659]), U256([0xb424_e784_5e93_b146, 0xe7d7_66b9_dedd_d81d, 0x2bca_7104_6e77_7fc0, 0xbeaa_ed6a_53a1_e3c2])],
    [U256([0x03e8_465c_6ead_e3c4, 0x714a_b749_c905_2a05, 0x8e5c_6433_40e5_86b4, 0xa018_366f_4e91_e90d]), U256([0xf45c_4202_6b26_e8d0, 0xd5f7_284e_4461_4f37, 0x7c6c_e578_349d_8369, 0xe2bb_ec17_1411_0b16])],
    [U256([0x3725_c5dc_e392_d805, 0xa87a_8069_8754_05d4, 0xa4a5_4daa_faa3_449a, 0xf8f5_dccf_4c6a_93d7]), U256([0x0266_1951_6cda_02fa, 0x51f3_da64_a521_43ba, 0x389d_3e33_6461_3273, 0xe581_76cf_66d6_3054])],
    [U256([0x3a5a_9e22_185a_5943, 0x1ab9_1936_5c65_dfb6, 0x2165_6b32_262c_71da, 0x7fe3_6b40_af22_af89]), U256([0xd50d_152c_699c_a101, 0x74b3_d586_7b8a_f212, 0x9f09_f404_07dc_a6f1, 0xe697_d458_25b6_3624])],
    [U256([0x258f_ca6c_4d9a_efbd, 0x1efe_47b2_73b9_5775, 0x32ca_9f0d_41bc_43dc, 0x0fbc_341c_8c66_9d76]), U256([0xed3b_6ea9_d3e7_1ca0, 0x950b_069e_200a_9ff1, 0xe401_4b1d_4957_d3d3, 0xbd80_2263_2f36_0e3f])],
    [U256([0xc2eb_af80_17e5_5104, 0xf73a_835f_bb8e_9c71, 0x63de_93c3_4d8b_561c, 0xd8de_7652_27b7_8737]), U256([0x2a02_ef80_e52e_08cd, 0xc2f7_3fce_1940_db1b, 0x5c4c_628a_d1dc_f924, 0x2fd2_9465_be13_f2d1])],
    [U256([0xc30f_b771_22d3_2936, 0xe40c_d02e_3284_7f01, 0x9f6c_c7d1_513d_7f38, 0xc544_0c59_7814_a47d]), U256([0x9a42_fa37_47ca_bfd4, 0xd8a6_d286_31e4_1e5d, 0x2edc_1e1d_23ec_f4ac, 0xd27e_e9ba_383e_1fa7])],
    [U256([0x90e7_5cb4_8e14_db63, 0x2949_3baa_ad65_1f7e, 0x8492_592e_326e_25de, 0x0fa8_22bc_2811_aaa5]), U256([0xe411_2454_5f46_2ee7, 0x34b1_a650_50fe_82f5, 0x6f4a_d4bc_b3df_188b, 0xbff4_4ae8_f5db_a80d])],
    [U256([0x60aa_fad1_70aa_e231, 0x5194_b852_79f9_6b7c, 0x85f2_4823_9267_756f, 0x1d35_c969_9761_e3f2]), U256([0x5867_063a_ccd6_ac71, 0xedf5_8aa4_729a_66f1, 0x1d66_0ab6_22eb_f810, 0xc722_6cb6_2df6_0823])],
    [U256([0xd4d3_d2de_4351_964c, 0x3469_2437_6f54_12c1, 0xae5a_bca1_8575_5c08, 0x6e29_f959_be28_c47f]), U256([0x1188_24bd_563f_d88f, 0xef64_0c52_7a0b_fb63, 0x5052_ec6c_c184_246d, 0x3456_5d9f_500f_32f6])],
    [U256([0xc7d0_b24c_c585_2e50, 0x8b2c_7e63_cf57_0cc5, 0xc1f9_aa23_49ee_7eff, 0xe486_c7df_feab_b058]), U256([0x66ba_3cad_aecf_107d, 0x6944_63d6_3392_ebd8, 0x9ee8_8a5c_9f51_e05a, 0x51fd_75ed_5606_a12e])],
    [U256([0xa84a_a939_7512_218e, 0xe9a5_21b0_74ca_0141, 0x5788_0b3a_18a2_e902, 0x4a5b_5066_12a6_77a6]), U256([0x0bea_da7a_4c4f_3840, 0x626d_b154_19e2_6d9d, 0xc426_04fb_e162_7d40, 0xeb13_461c_eac0_89f1])],
    [U256([0xc739_a5ea_3ecc_a7e0, 0xa7d2_c98f_6743_333e, 0x0fef_6335_224d_9428, 0x7ef2_ee3c_5c79_2a0c]), U256([0x302b_22dd_552a_c094, 0x81b2_1450_dfbd_3d20, 0xa4f6_7f51_d5e6_09db, 0xafb6_8627_30ac_c011])],
    [U256([0xf069_9bf9_e2f2_b734, 0x79c3_bb5b_5501_d267, 0x0634_a786_f116_4457, 0x224a_0229_9eec_c99a]), U256([0x840f_5854_91ec_7fdf, 0x07b7_04b6_73c7_afd0, 0x149a_08ad_871d_7fff, 0xfa41_a8d2_9b6d_22b4])],
    [U256([0x3438_c84a_72bd_05a0, 0xba82_337d_0b1f_c80d, 0xedc2_f995_f36d_1f90, 0xe5e8_9236_3a31_885c]), U256([0xc936_de2b_e1a6_9f5d, 0xca73_995b_9cd0_99ae, 0x1301_eb01_e79b_5c3e, 0x7743_9de4_da1b_87d2])],
    [U256([0x57c8_4fc9_d789_bd85, 0xfc35_ff7d_c297_eac3, 0xfb98_2fd5_88c6_766e, 0x447d_739b_eedb_5e67]), U256([0x0c7e_33c9_72e2_5b32, 0x3d34_9b95_a7fa_e500, 0xe12e_9d95_3a4a_aff7, 0x2d48_25ab_8341_31ee])],
    [U256([0x7411_45c1_44cd_3397, 0xdc34_c106_1951_5eb5, 0x8938_6cf2_b515_6ded, 0x73ba_ff04_19ed_a723]), U256([0x41ef_2a13_9adc_b8e4, 0x779e_f92c_f826_1349, 0x6a00_d1e8_c18f_825e, 0x1e97_de63_4977_ac5f])],
    [U256([0x826f_adc0_523b_716d, 0x0d23_8966_f74e_1a6b, 0xe8a5_c793_8d18_df9e, 0xf81f_5be3_8b8c_a534]), U256([0x4640_02f5_1263_2401, 0x6607_5850_3a87_8330, 0x1d56_d29d_380e_0328, 0xdc7f_4932_9c1f_06df])],
    [U256([0xddc6_dc1b_1237_8c16, 0x9e36_0755_4615_622a, 0xb319_e52d_6bf9_597d, 0x1136_b759_c12b_3b11]), U256([0x79f5_9bd0_b348_8127, 0x9614_aa28_e751_cce3, 0x09f0_abc6_0fe9_ecb2, 0x7dec_0fcf_4516_8fdd])],
    [U256([0xaee9_c75d_f7f8_2f2a, 0x9e4c_3587_4afd_f43a, 0xf562_2df4_3737_1326, 0x8a53_5f56_6ec7_3617]), U256([0xc5f9_a0ac_2230_94b7, 0xcde5_3386_4c8c_7669, 0x37e0_2819_085a_92bf, 0x0455_c084_68b0_8bd7])],
    [U256([0xa52f_2c36_93c4_a205, 0xde1a_df89_f510_a848, 0xe466_5570_75b9_29fc, 0xb6e0_6c51_6305_bbc4]), U256([0x537f_4d86_5db3_6d05, 0x63f9_9419_a82a_9f87, 0xc5e1_f126_e79e_d73b, 0xbdb4_277c_21b3_23f5])],
    [U256([0x28cf_1ab9_9076_f57b, 0x030b_86e3_ceca_c607, 0xb927_e350_1cf2_a53f, 0x20e1_1856_4880_c79c]), U256([0x8583_bedb_ada7_afe6, 0x9fe0_dc9b_40e1_b71e, 0x31bd_c3e3_fb6d_e997, 0xff67_b352_ac43_7ef7])],
    [U256([0xe7dd_9ab3_2852_3eb3, 0x351a_3a75_556c_6c4a, 0x46ac_1844_4f3d_cde3, 0xbaff_d4eb_f8a8_b5ab]), U256([0x1978_300c_d5ac_f387, 0x2451_1ccf_bf48_b6ee, 0x003a_8eb3_795a_c09c, 0x0fa9_3dc5_dbc9_5e83])],
    [U256([0x6cf2_0ffb_3137_28be, 0x9643_9591_a3c6_b94a, 0x2736_ff83_4431_5fc5, 0xa6d3_9677_a784_9276]), U256([0xf2ba_b833_c357_f5f4, 0x824a_920c_2284_059b, 0x66b8_babd_2d27_ecdf, 0x674f_8474_9b0b_8816])],
    [U256([0x55d4_e37a_2fd2_0bae, 0x2603_5672_d5b4_a811, 0x027b_ba12_176d_343a, 0x2852_50ed_c3bc_fcd9]), U256([0xf9de_455a_54e0_ab97, 0x6e9b_1a2c_f1ef_f323, 0x3f72_84ad_1046_c171, 0x7866_c086_f4ad_7ea8])],
    [U256([0x320f_09c3_839b_b85f, 0x0101_fb06_a050_e62c, 0x5575_82c9_9ad5_3458, 0x55d5_398d_1666_432b]), U256([0xf7f6_3118_4fed_936f, 0xd90d_6a7f_1833_d9e1, 0x059c_6a9e_8eba_a72a, 0x576e_2290_49ff_8e2d])],
    [U256([0x3e0b_5d5a_d444_1fbb, 0x9eaa_8520_a5ed_115e, 0x7fb6_0c55_edb9_2555, 0xb495_8c4e_21de_21d4]), U256([0x4c7e_3c9f_4add_7118, 0x2db9_f613_2d46_3841, 0xe5c0_41fb_c38c_b7e1, 0xfcd6_e7bf_9966_40ef])],
    [U256([0x6a70_3f10_e895_df07, 0xfd75_f3fa_0187_6bd8, 0xeb5b_06e7_0ce0_8ffe, 0x68f6_b854_2783_dfee]), U256([0x90c7_6f8a_7871_2655, 0xcf52_93d2_f310_bf7f, 0xfbc8_044d_fda4_5028, 0xcbe1_feba_92e4_0ce6])],
    [U256([0xcec9_b4d7_8e6d_8483, 0x82f2_d7a8_4696_7f0d, 0x2958_f49f_1b6e_e945, 0x9c39_cb60_a33d_563d]), U256([0x94b3_356f_6b2c_50fb, 0xbbad_e52f_3dbe_4368, 0x03d1_96b7_bca1_6546, 0xf097_bf1e_e493_e510])],
    [U256([0x6063_04b1_a44e_8de3, 0x5c08_966a_2ecc_1e07, 0x3a5a_7dcf_08bd_1791, 0xf50b_99b7_4688_10b7]), U256([0x4a3f_3ba6_db7f_3588, 0xe975_f18d_2172_1e85, 0x8789_973a_2ded_cebb, 0xe2b5_061e_55f1_8f0c])],
    [U256([0xc074_7129_885f_bd44, 0x89c2_caa3_9f26_267a, 0xe054_71ce_16d5_222c, 0x9bbf_06da_d9ab_5905]), U256([0xa344_7dfa_7a1d_3e88, 0xc0d4_bddc_1503_6ed2, 0x6755_daf3_0a6f_47e8, 0x1bcc_7fa8_4de1_20a3])],
];
