# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Execution providers are used only where they give the CPU's masks faster."""

import logging

import numpy as np
import pytest
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.inference.onnxrt.backend import CPU_PROVIDER
from segformer_ros.inference.onnxrt.backend import default_threads
from segformer_ros.inference.onnxrt.providers import named_plans
from segformer_ros.inference.onnxrt.providers import open_fastest
from segformer_ros.inference.onnxrt.providers import provider_plans
from segformer_ros.inference.onnxrt.providers import ProviderPlan
from segformer_ros.model.spec import ModelSpec
from support.color_network import write_color_network

onnxruntime = pytest.importorskip('onnxruntime')
SPEC = ModelSpec('colors', 'none', 4, input_size_wh=(64, 64), output_size_wh=(16, 16))
CPU = ProviderPlan(CPU_PROVIDER, {}, 1, True)
# The CPU provider again, in the part of an accelerator: runs for real wherever tests run.
OTHER = CPU._replace(fused_attention=False)


@pytest.fixture
def frames():
    random = np.random.RandomState(0)
    return [{'pixel_values': random.rand(1, 3, 64, 64).astype(np.float32)} for _ in range(2)]


@pytest.fixture
def network(tmp_path):
    return write_color_network(tmp_path / 'colors.onnx')


def test_the_cpu_alone_is_opened_without_a_comparison(network):
    plans = provider_plans([CPU_PROVIDER], has_gpu=True)
    assert plans == (ProviderPlan(CPU_PROVIDER, {}, default_threads(), True),)
    choice = open_fastest(plans, lambda plan: network, SPEC, [])
    assert choice.backend.is_open and choice.plan == plans[0]
    choice.backend.close()


def test_accelerators_come_before_the_cpu_and_cuda_needs_a_gpu():
    available = [CPU_PROVIDER, 'XnnpackExecutionProvider', 'OpenVINOExecutionProvider',
                 'CUDAExecutionProvider', 'TensorrtExecutionProvider', 'AzureExecutionProvider']
    names = [plan.provider for plan in provider_plans(available, has_gpu=True)]
    assert names == ['CUDAExecutionProvider', 'OpenVINOExecutionProvider',
                     'XnnpackExecutionProvider', CPU_PROVIDER]
    names = [plan.provider for plan in provider_plans(available, has_gpu=False)]
    assert names == ['OpenVINOExecutionProvider', 'XnnpackExecutionProvider', CPU_PROVIDER]


def test_named_provider_is_set_up_as_in_a_trial_and_compared_with_the_cpu():
    plans = named_plans('OpenVINOExecutionProvider', threads=3)
    automatic = provider_plans(['OpenVINOExecutionProvider'], False, threads=3)[0]
    assert plans[0] == automatic._replace(named=True)
    assert [plan.provider for plan in plans] == ['OpenVINOExecutionProvider', CPU_PROVIDER]
    assert plans[1].fused_attention is plans[0].fused_attention
    assert [plan.provider for plan in named_plans(CPU_PROVIDER)] == [CPU_PROVIDER]


@pytest.mark.parametrize('scale, taken', [(1.0, True), (-1.0, False)])
def test_named_provider_need_not_be_faster_but_right(network, tmp_path, frames, scale, taken):
    other = write_color_network(tmp_path / 'other.onnx', scale=scale)
    named = OTHER._replace(named=True)
    choice = open_fastest((named, CPU), lambda plan: other if plan is named else network, SPEC,
                          frames)
    assert (choice.plan is named) is taken
    assert taken or 'agreement' in choice.why
    choice.backend.close()


def test_named_provider_that_does_not_start_is_an_error(network, frames):
    named = ProviderPlan('NoSuchExecutionProvider', {}, 1, False, named=True)
    with pytest.raises(SegformerRosError, match='NoSuchExecutionProvider'):
        open_fastest((named, CPU), lambda plan: network, SPEC, frames)


def test_threads_are_given_to_one_pool_only():
    plans = {plan.provider: plan for plan in provider_plans(
        ['XnnpackExecutionProvider', 'OpenVINOExecutionProvider'], False, threads=3)}
    assert plans['XnnpackExecutionProvider'].threads == 1
    assert plans['XnnpackExecutionProvider'].options == {'intra_op_num_threads': '3'}
    assert plans['OpenVINOExecutionProvider'].options['num_of_threads'] == '3'
    assert plans[CPU_PROVIDER].threads == 3


@pytest.mark.parametrize('scale, why', [(-1.0, 'agreement 0.'), (np.inf, 'not finite')])
def test_provider_with_other_masks_is_refused_loudly(network, tmp_path, frames, caplog, scale,
                                                     why):
    wrong = write_color_network(tmp_path / 'wrong.onnx', scale=scale)
    with caplog.at_level(logging.WARNING):
        choice = open_fastest([OTHER, CPU],
                              lambda plan: network if plan.fused_attention else wrong, SPEC,
                              frames)
    assert choice.plan == CPU
    assert choice.backend.is_open
    assert why in choice.why
    assert 'not used' in caplog.text
    choice.backend.close()


def test_provider_that_does_not_start_is_refused_loudly(network, frames, caplog):
    absent = ProviderPlan('NoSuchExecutionProvider', {}, 1, False)
    with caplog.at_level(logging.WARNING):
        choice = open_fastest([absent, CPU], lambda plan: network, SPEC, frames)
    assert choice.plan == CPU
    assert 'NoSuchExecutionProvider does not start' in choice.why
    choice.backend.close()


@pytest.mark.parametrize('name', ['OpenVINOExecutionProvider', 'XnnpackExecutionProvider'])
def test_real_accelerator_gives_the_same_masks(network, frames, name):
    if name not in onnxruntime.get_available_providers():
        pytest.skip(f'this onnxruntime has no {name}')
    plans = [plan for plan in provider_plans([name], False) if plan.provider == name]
    with plans[0].open(network) as accelerated, CPU.open(network) as plain:
        for frame in frames:
            np.testing.assert_allclose(accelerated.infer(frame)['logits'],
                                       plain.infer(frame)['logits'], atol=1e-4)
