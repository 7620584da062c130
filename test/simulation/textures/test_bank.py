# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two sets of materials that share nothing."""

import numpy as np
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.simulation.textures import bank


def test_texture_sets_share_no_color():
    for name, recipe in sorted(bank.RECIPES.items()):
        assert recipe[0] in bank.CLASSES
        looks = [{tuple(bank.TextureBank(split).variant(name, i).palette[0].tolist())
                  for i in range(bank.VARIANTS[split])} for split in ('train', 'held_out')]
        assert len(looks[0]) > bank.VARIANTS['train'] // 2
        assert len(looks[1]) > bank.VARIANTS['held_out'] // 2
        assert not looks[0] & looks[1]


def test_unknown_texture_set_is_refused():
    with pytest.raises(ConfigurationError, match='set of textures'):
        bank.TextureBank('validation')


def test_worlds_draw_from_all_of_a_set():
    random = np.random.RandomState(3)
    drawn = {split: {bank.TextureBank(split, seed).draw('wall', random).salt
                     for seed in range(300)} for split in sorted(bank.VARIANTS)}
    assert len(drawn['held_out']) <= bank.VARIANTS['held_out']
    # Of 1008 looks 300 draws meet some 258.
    assert 225 < len(drawn['train']) < 290
