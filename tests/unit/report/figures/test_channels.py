from qatflow.report.channels import ChannelNoise
from qatflow.report.figures.channels import channels


def marks(parse, figure):
    """Count the marks of each layer."""
    drawn = [node.attributes for node in parse(figure.svg) if node.attributes.get("class") == "stroke"]
    return [path["d"].count("M") for path in drawn]


def test_the_title_names_the_noisiest_channel(parse):
    figure = channels([ChannelNoise("conv", (30.0, 14.2, 31.0), 1), ChannelNoise("dense", (40.0,), 0)])
    assert figure.title == "Channel 1 of conv is the noisiest: 14.2 dB"
    assert marks(parse, figure) == [3, 1]
    assert "conv: 3 channels, 14.2 to 31.0 dB" in figure.svg


def test_a_thousand_channels_close_together_need_few_marks(parse):
    figure = channels([ChannelNoise("conv", tuple(30 + i / 1000 for i in range(1000)), 0)])
    assert marks(parse, figure)[0] < 6
