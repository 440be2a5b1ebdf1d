"""DICOM files for tests, which are full of names that no message may repeat."""

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid

SECRETS = ("Doe^Jane", "ID4711", "19600401", "Dr^Private")
"""Name, id, birth date, and the content of a private element."""


def dicom(path, values, *, bits=12, **elements):
    """Writes an X-ray: integers [H, W], or [frames, H, W]. An element of None is left out."""
    values = np.asarray(values)
    header, allocated = Dataset(), 8 if bits <= 8 else 16
    header.PatientName, header.PatientID, header.PatientBirthDate, private = SECRETS
    header.private_block(0x0099, "Doe^Jane", create=True).add_new(1, "LO", private)
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
    header.Modality, header.SamplesPerPixel = "DX", 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows, header.Columns = values.shape[-2:]
    header.BitsAllocated, header.BitsStored, header.HighBit = allocated, bits, bits - 1
    header.PixelRepresentation = int(values.min(initial=0) < 0)
    kind = f"{'i' if header.PixelRepresentation else 'u'}{allocated // 8}"
    content = values.astype(f"<{kind}").tobytes()
    header.PixelData = content + b"\0" * (len(content) % 2)
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in elements.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    header.save_as(path, enforce_file_format=True)
    return path


def table(first, entries, bits):
    """An item of a sequence of lookup tables, from the first stored value on."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.array(entries, "<u2").tobytes()
    return [item]


def as_jpeg_lossless(header, values, bits=12):
    """Puts values [H, W] into a header as a lossless JPEG of process 14, predictor 1."""
    height, width = values.shape
    sides = height.to_bytes(2) + width.to_bytes(2)
    jpeg = b"\xff\xd8\xff\xc3\x00\x0b" + bytes([bits]) + sides + b"\x01\x01\x11\x00"
    # Seventeen categories, each with a code of five bits that is its own number.
    jpeg += b"\xff\xc4\x00\x24\x00" + bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))
    jpeg += b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00"
    code = ""
    for row in range(height):
        for column in range(width):
            if column:
                before = int(values[row, column - 1])
            else:
                before = int(values[row - 1, 0]) if row else 1 << (bits - 1)
            difference = int(values[row, column]) - before
            category = abs(difference).bit_length()
            rest = difference if difference > 0 else difference + (1 << category) - 1
            code += f"{category:05b}" + (f"{rest:0{category}b}" if category else "")
    code += "1" * (-len(code) % 8)
    scan = bytes(int(code[at : at + 8], 2) for at in range(0, len(code), 8))
    jpeg += scan.replace(b"\xff", b"\xff\x00") + b"\xff\xd9"
    header.PixelData = encapsulate([jpeg + b"\0" * (len(jpeg) % 2)])
    header["PixelData"].is_undefined_length = True
    header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
