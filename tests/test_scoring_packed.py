"""The packed forward pass against the model's own, text by text: nothing leaks, no position is off.

The pitfalls of IFD scoring, and where each is held down:

 1 loss ratio or perplexity ratio   test_cherry_is_the_ratio_of_the_losses_and_so_another_number (test_scoring_ifd)
 2 merges across the border         test_a_merge_across_the_border_moves_no_token (test_scoring_encoding)
 3 first token of the alone pass    test_one_token_has_a_score_in_our_reading_and_a_reason_in_superfiltering
 4 a BOS defined but not added      test_special_tokens_that_a_tokenizer_adds_by_itself_change_nothing
 5 a tokenizer that appends EOS     the same test, and test_both_passes_score_the_same_tokens_the_first_one_included
 6 no room, truncation              test_a_long_response_is_cut_on_the_right_and_the_same_in_both_passes
 7 empty response                   test_an_empty_response_gets_a_reason_not_a_score
 8 NaN, infinity, out of memory     test_what_is_not_a_finite_number_becomes_a_reason,
                                    test_out_of_memory_halves_the_batch_and_goes_on (test_scoring_batching)
 9 silent leaks between texts       test_losses_in_a_pack_are_the_models_own, test_a_cache_or_a_mask_is_refused
10 positions                        test_losses_in_a_pack_are_the_models_own with GPT-2, and longer than its positions
11 dense masks are slow             test_a_whole_sequence_needs_no_mask; on a GPU there is one kernel, which takes none
12 NaN from padding                 test_what_stands_in_the_padding_changes_nothing
13 softmax in half precision        test_bf16_losses_come_from_a_float32_softmax (test_scoring_models)
14 the checkpoint's dtype           test_the_dtype_is_the_one_asked_for_and_never_the_checkpoints
15 ragged shapes                    test_packs_have_few_lengths (test_scoring_packing), test_memory_stays_where_it_is
16 ties and order                   test_neighbours_order_and_budget_do_not_change_a_score
17 rfind                            test_a_response_that_recurs_in_the_prompt_is_scored_at_its_own_place
18 vocabulary padding               test_the_log_softmax_runs_over_all_of_the_heads_vocabulary
19 k from the data's length         no test: selecting a share of a dataset is not done here
"""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import save_model, train_tokenizer
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, MistralConfig

from star_agents.config.sections import ScoringConfig
from star_agents.scoring import attention
from star_agents.scoring.attention import BlockByBlock, Ends, Unpackable, Varlen
from star_agents.scoring.encoding import Passage
from star_agents.scoring.forward import OwnForward, choose_forward
from star_agents.scoring.head import BlockedHead, ChunkedHead
from star_agents.scoring.loading import Loaded, load_model
from star_agents.scoring.packed import PackedRows, packed_rows
from star_agents.scoring.packing import lay_out
from star_agents.scoring.prepacked import Judge, Prepacked, Probe, Widened, fast_half_precision, speed_up

FAMILIES = ["gpt_neox", "gpt2", "llama", "llama_gqa"]


def texts(seed: int = 0, longest: int = 90) -> list[Passage]:
    """Passages of all lengths, some of which answer the same prompt."""
    generator = torch.Generator().manual_seed(seed)

    def ids(number: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, 290, (number,), generator=generator).tolist())

    some = [Passage(ids(length), 1 + length // 3) for length in (2, 3, 17, 40, longest)]
    prompt = ids(45)
    return [*some, *(Passage((*prompt, *ids(length)), 45) for length in (1, 9, 30))]


def load(folder: Path, family: Any, **changes: Any) -> Loaded:
    path = save_model(folder, train_tokenizer(), family, **changes)
    return load_model(path, path, ScoringConfig(small=path, device="cpu"))


def stock(weight: Tensor, rows: int) -> None:
    """Always torch's own product."""


def always(variant: Any) -> Judge:
    return lambda weight, rows: variant


def packed(loaded: Loaded, judge: Judge = stock) -> PackedRows:
    return packed_rows(loaded, BlockedHead(loaded.model.get_output_embeddings(), judge))


def difference(found: Sequence[float], expected: Sequence[float]) -> float:
    return max(abs(one - other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_in_a_pack_are_the_models_own(family: Any, tmp_path: Path) -> None:
    loaded = load(tmp_path, family, max_position_embeddings=96)
    some = texts()
    assert len(lay_out(some).ids) > 2 * 96
    expected = OwnForward(loaded).mean_nll(some)
    assert difference(packed(loaded).mean_nll(some), expected) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pack_is_begun_without_asking_whether_a_tensor_is_true_which_would_wait_for_a_gpu(
    family: Any, tmp_path: Path
) -> None:
    loaded = load(tmp_path, family)
    forward = packed_rows(loaded, ChunkedHead(loaded.model.get_output_embeddings()))
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as record:  # without, some releases warn
        forward.nll(texts())
    seen = {str(event.key) for event in record.key_averages()}
    assert "aten::embedding" in seen
    assert not seen & {"aten::is_nonzero", "aten::nonzero"}


@pytest.mark.parametrize("family", ["gpt2", "llama_gqa"])
def test_hidden_states_in_a_pack_are_the_models_own(family: Any, tmp_path: Path) -> None:
    loaded = load(tmp_path, family)
    expected = OwnForward(loaded).mean_hidden(texts())
    for found, state in zip(packed(loaded).mean_hidden(texts()), expected, strict=True):
        assert torch.allclose(found, state, atol=1e-5)


def test_what_stands_in_the_padding_changes_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path, "gpt2")
    alone = [Passage((5, 6, 7), 1)]
    forward = packed(loaded)
    expected = forward.mean_nll(alone)
    layer = loaded.model.base_model.get_input_embeddings()
    spoil = layer.register_forward_hook(lambda _, __, state: state.index_fill_(1, torch.arange(3, 16), torch.nan))
    found = forward.mean_nll(alone)
    spoil.remove()
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_sliding_window_is_kept_within_each_text(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    config = MistralConfig(vocab_size=300, num_hidden_layers=2, sliding_window=8, num_key_value_heads=2, **shape)
    torch.manual_seed(3)
    make: Any = AutoModelForCausalLM.from_config
    model = make(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3)
    loaded = Loaded("mistral", model, train_tokenizer(), torch.device("cpu"), torch.float32)
    expected = OwnForward(loaded).mean_nll(texts())
    assert difference(packed(loaded).mean_nll(texts()), expected) < 1e-5


@pytest.mark.parametrize("rope", [{"rope_type": "dynamic", "factor": 2.0}, {"rope_type": "yarn", "factor": 2.0}])
def test_rotary_embeddings_that_change_with_the_length_are_not_packed(rope: dict[str, Any], tmp_path: Path) -> None:
    loaded = load(tmp_path, "llama", rope_parameters={"rope_theta": 1e4, **rope})
    assert choose_forward(loaded).name == ("scored rows" if rope["rope_type"] == "dynamic" else "packed")


@pytest.mark.parametrize("family", ["gemma2", "granite"])
def test_a_model_that_cannot_be_packed_keeps_its_own_attention(family: Any, tmp_path: Path) -> None:
    loaded = load(tmp_path, family)
    before = loaded.model.config._attn_implementation
    with pytest.raises(Unpackable, match=r"Unpackable|other losses"):
        packed(loaded)
    assert loaded.model.config._attn_implementation == before != attention.NAME


def test_a_cache_or_a_mask_is_refused() -> None:
    states = torch.randn(1, 2, 16, 4)
    packing = BlockByBlock(lay_out([Passage((5, 6, 7), 1)]))
    for wrong in ({"attention_mask": torch.ones(1, 1, 16, 16)}, {"packing": None}, {"softcap": 5.0}):
        arguments: dict[str, Any] = {"attention_mask": None, "packing": packing, **wrong}
        with pytest.raises(Unpackable):
            attention.attend(nn.Module(), states, states, states, **arguments)


def plain_varlen(
    query: Tensor, key: Tensor, value: Tensor, ends: Ends, *, scale: float | None, window: int | None
) -> Tensor:
    """What a varlen kernel is asked for, one sequence at a time: causal from the end of the keys, heads in groups."""
    query_ends, key_ends, longest, most_seen = ends
    assert (query_ends.dtype, key_ends.dtype) == (torch.int32, torch.int32)
    assert (longest, most_seen) == (int(query_ends.diff().max()), int(key_ends.diff().max()))
    assert query_ends[-1] == len(query)
    assert key_ends[-1] == len(key) == len(value)
    groups = query.shape[1] // key.shape[1]
    found = []
    for number in range(len(query_ends) - 1):
        own = query[query_ends[number] : query_ends[number + 1]].transpose(0, 1)
        seen = slice(key_ends[number], key_ends[number + 1])
        keys, values = (
            states[seen].repeat_interleave(groups, dim=1).transpose(0, 1) for states in (key, value)
        )  # (H, S, D)
        rows, total = own.shape[1], keys.shape[1]
        distance = torch.arange(total - rows, total)[:, None] - torch.arange(total)
        mask = (distance >= 0) & (distance < (window or total))
        found.append(scaled_dot_product_attention(own, keys, values, attn_mask=mask, scale=scale).transpose(0, 1))
    return torch.cat(found)


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("number", [3, 8], ids=["whole texts", "a shared prompt"])
def test_what_a_varlen_kernel_is_given_for_a_pack_attends_as_block_by_block(number: int, window: int | None) -> None:
    layout = lay_out(texts()[:number])
    assert any(block.context for block in layout.blocks) == (number == 8)
    torch.manual_seed(0)
    rows = len(layout.ids)
    query, key, value = torch.randn(1, 4, rows, 8), torch.randn(1, 2, rows, 8), torch.randn(1, 2, rows, 8)
    found = Varlen(layout, torch.device("cpu"), plain_varlen).attend(query, key, value, scale=0.3, window=window)
    expected = BlockByBlock(layout).attend(query, key, value, scale=0.3, window=window)
    assert found.shape == expected.shape
    assert torch.allclose(found[:, : layout.tokens], expected[:, : layout.tokens], atol=1e-5)
    assert found.isfinite().all()


def test_a_whole_sequence_needs_no_mask() -> None:
    layout = lay_out([Passage((1,) * 5, 1), Passage((2,) * 9, 4)])
    assert [attention._block_mask(block, None, torch.zeros(1)) for block in layout.blocks] == [None, None]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("judge", [stock, always(Prepacked)])
def test_the_log_softmax_runs_over_all_of_the_heads_vocabulary(bias: bool, judge: Judge) -> None:
    torch.manual_seed(0)
    head = nn.Linear(24, 2500, bias=bias).requires_grad_(False)
    rows, targets = 30 * torch.randn(300, 24), torch.randint(0, 2500, (300,))
    targets[:4] = torch.tensor([0, 1023, 1024, 2499])
    expected = ChunkedHead(head).nll(rows, targets)
    assert torch.allclose(BlockedHead(head, judge).nll(rows, targets), expected, rtol=1e-5, atol=1e-4)


def test_a_blocked_head_hands_on_what_is_no_number() -> None:
    head = nn.Linear(4, 3000, bias=False).requires_grad_(False)
    rows = torch.tensor([[torch.nan] * 4, [1.0] * 4])
    found = BlockedHead(head, stock).nll(rows, torch.tensor([5, 5]))
    assert found.isfinite().tolist() == [False, True]


@pytest.mark.parametrize("family", ["gpt2", "llama_gqa"])
def test_prepacked_layers_give_the_same_losses_and_the_originals_are_gone(family: Any, tmp_path: Path) -> None:
    loaded = load(tmp_path, family)
    expected = OwnForward(loaded).mean_nll(texts())
    replaced = speed_up(loaded.model, always(Prepacked))
    if not replaced:
        pytest.skip("this build of torch has no oneDNN")
    assert replaced == {"prepacked": 8 if family == "gpt2" else 14}
    assert difference(packed(loaded, always(Prepacked)).mean_nll(texts()), expected) < 1e-5
    assert sum(weight.numel() for name, weight in loaded.model.named_parameters() if "mlp" in name) <= 2 * (128 + 32)


def test_a_variant_that_gives_other_numbers_is_not_taken() -> None:
    class Wrong(Widened):
        def forward(self, rows: Tensor) -> Tensor:
            return 1.01 * super().forward(rows)

    class Missing(Widened):
        def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
            raise NotImplementedError("no such operation")

    model: Any = nn.Sequential(nn.Linear(8, 8)).requires_grad_(False)
    model.get_output_embeddings = lambda: None
    assert speed_up(model, always(Wrong)) == speed_up(model, always(Missing)) == {}
    assert type(model[0]) is nn.Linear


def test_a_widened_layer_rounds_once() -> None:
    torch.manual_seed(0)
    weight, rows = torch.randn(64, 512).bfloat16(), torch.randn(10, 512).bfloat16()
    assert torch.equal(Widened(weight, None)(rows), linear(rows.float(), weight.float()).bfloat16())


def test_the_probe_leaves_small_layers_alone_and_measures_a_shape_once() -> None:
    probe = Probe()
    assert probe(torch.randn(16, 16), 128) is None
    weight = torch.randn(512, 512)
    assert probe(weight, 64) is probe(weight.clone(), 64)


@pytest.mark.parametrize("family", ["gpt2", "llama_gqa"])
def test_bf16_losses_in_a_pack_are_near_the_models_own(family: Any, tmp_path: Path) -> None:
    path = save_model(tmp_path, train_tokenizer(), family)
    loaded = load_model(path, path, ScoringConfig(small=path, device="cpu", dtype="bfloat16"))
    expected = OwnForward(loaded).mean_nll(texts())
    if not fast_half_precision(torch.bfloat16):
        assert speed_up(loaded.model, always(Widened))
    assert difference(packed(loaded).mean_nll(texts()), expected) < 0.1


def test_memory_stays_where_it_is(tmp_path: Path) -> None:
    forward = packed(load(tmp_path, "llama"), always(Prepacked))
    peaks = []
    for begin in (0, 12):
        for seed in range(begin, begin + 12):
            forward.mean_nll(texts(seed, longest=20 + 7 * seed))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[1] - peaks[0] < 20_000  # kilobytes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_in_a_pack_on_a_gpu_are_near_the_models_own(family: Any, tmp_path: Path) -> None:
    path = save_model(tmp_path, train_tokenizer(), family)
    loaded = load_model(path, path, ScoringConfig(small=path, device="cuda"))
    expected = OwnForward(loaded).mean_nll(texts())
    forward = choose_forward(loaded)
    assert forward.name == "packed"
    assert difference(forward.mean_nll(texts()), expected) < 0.1
