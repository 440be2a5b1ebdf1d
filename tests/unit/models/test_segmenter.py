import pytest
import torch

from chexseg.errors import InputError
from chexseg.models.batch_norm import PooledBatchNorm
from chexseg.models.classifier import build_classifier
from chexseg.models.matching import load_matching
from chexseg.models.segmenter import build_segmenter


def test_pooled_batch_norm_differs_from_batch_norm_for_one_value_only():
    ours, plain = PooledBatchNorm(2), torch.nn.BatchNorm2d(2)
    features = torch.tensor([[[[1.0]], [[2.0]]], [[[3.0]], [[5.0]]]])
    torch.testing.assert_close(ours(features), plain(features))
    torch.testing.assert_close(ours.running_mean, torch.tensor([0.2, 0.35]))
    with pytest.raises(ValueError, match="more than 1 value"):
        plain(features[:1])
    expected = (torch.tensor([1.0, 2.0]) - ours.running_mean) / (ours.running_var + 1e-5).sqrt()
    torch.testing.assert_close(ours(features[:1]).flatten(), expected)
    torch.testing.assert_close(ours.running_mean, torch.tensor([0.2, 0.35]))  # not updated


def test_equals_smp_but_for_the_first_dilation():
    smp = pytest.importorskip("segmentation_models_pytorch")
    peer = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=3).eval()
    ours = build_segmenter("deeplabv3plus", "resnet18", 3, decoder_channels=256).eval()
    ours.network.load_state_dict(peer.state_dict())
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = peer(ours.normalise(image))
        assert not torch.allclose(ours(image), expected)
        ours.encoder.make_dilated(16)  # smp's own way
        torch.testing.assert_close(ours(image), expected)


def test_encoder_of_the_studys_classifier_fits():
    for name in ("resnet18", "densenet169"):
        classifier = build_classifier(name, 14)
        segmenter = build_segmenter("deeplabv3plus", name, 10, decoder_channels=32)
        report = load_matching(segmenter.encoder, classifier.state_dict(), source="classifier")
        assert report.prefix == "backbone."
        assert report.missing == ()
        state = classifier.backbone.state_dict()
        assert all(torch.equal(state[k], v) for k, v in segmenter.encoder.state_dict().items())


def test_wrong_names_are_reported_together():
    with pytest.raises(InputError) as caught:
        build_segmenter("deeplab", "resnet", 3, decoder_channels=32)
    assert [problem.where for problem in caught.value.problems] == ["encoder", "architecture"]


def test_a_decoder_that_does_not_take_the_encoder():
    with pytest.raises(InputError, match="found unetplusplus with mit_b0, expected one of .*fpn"):
        build_segmenter("unetplusplus", "mit_b0", 3, decoder_channels=32)
