"""The checkpoints whose fingerprint is the digest of their tensors' file alone.

They were shipped before fingerprints covered the entries of the card, and stored runs know them by it. The list never
grows, and a checkpoint leaves it when its tensors or the entries that its values depend on change.
"""

FIRST = frozenset(
    {
        "cb22a356acbe3df86a0f21713218b0e5c42d1ab3d1091cfaf1522d9defb183b2",  # ann-alexnet
        "c304ecd60ac627f101691b0255609ce980103d5f734716f311d53af2d973f56f",  # ann-densenet
        "b99361541dd73baed3722a3d2d7b134a0689e6acdf3bb0472d7f60d254fea1ee",  # ann-resnet
        "f38b329601578b9c1927de5043eecc950324db3b16bcaaffb8e49e6ffec15e5b",  # ann-vgg
        "fa96b97c92a3743a0d07fc3f054873a11ec27a0cf5b927760c4e3bad60d98437",  # cifar10-sngan
        "09cc8d2ab1180ba6b5611db83258e34725e36ca71b44698a6187cb878421fbcc",  # cifar10-sngan-int8
        "f607256ff04e80e25682e5613963ae9c8e179e4de0c0e4ccf30f6139a323e54a",  # cifar10-vqvae
        "e0a431c28f6310cc83619f45c94f4c4985021ed4880c67a3f35c4a06973935e9",  # cifar10-vqvae-int8
        "5d901065e210ec3cdf48dd3e3357aefee0092c8b8e083c8bca3a1b88967948b0",  # digits-cnn-a
        "1cb619b1095858eac6f8253375b54e7d81969f31b445cdd2bf9fa292536bd0d7",  # digits-cnn-b
        "09939bed2a7a01d5c0f8f8d86f81b55044ecbbca3249f1a2b1c439745eec53b0",  # digits-mlp-a
        "32a5d15740b1d8abad5f7f181cc2a66ea19e2dfad5d1531a00c5d315bbf682ea",  # digits-mlp-b
        "cff7eae77bccead090f181159d627df36ab33b991ddd645fc9b2fc9be8d823b4",  # mnist-sngan
        "6f148d2f9ff8b5da3943b53460fdf91eab77923a9f06e6adc318f1435f285ed1",  # mnist-sngan-int8
        "4720d959c965299767e46c54561332e3f777762377d00309b022b7987851ab7e",  # mnist-snn
        "db45a35a3ba99c9b31443786be28aa6a2e910fed1f74fce8b7298b95ff46ba63",  # small-max-a
        "24921fd9f4075897b53d72b45da9158ffbb382f94fa76f3d9c6afcc9ce10a034",  # small-max-b
        "de5ec585839cfdc3d16ea0300c853cbd582b65d235771eab917a6937f437b331",  # small-mean-a
        "c77c0be8694187becc9e4e2c5c2d6cba0d71509d3e573b17ef1e08d1524ff78a",  # small-mean-b
        "0e157bc083d0efc454e9edef3670c2faada536008c4bef3618e76776e485f402",  # small-patch-a
        "4768681f78f2e7583cf9a84cb39dfc183939f50eed6e8ca0e72a2bcbc4d2aec8",  # small-patch-b
        "749d3da9c7de74d1b4ef2b7cabe2fe7341624b7ee00b1c512f3fd3ae6e95b08b",  # small-resnet-a
        "2ae2c78e200babee3650aa9c75a5d457e8f1c6926e6d1cf761ebe767e8f91103",  # small-resnet-b
        "7609c61c90f191797a90a3799b9048ff34b2873fdc5470a205c2832665c7e874",  # small-stride-a
        "4cb7b6e98f6c1feb4e9ea2f6fd7e3265c5403e3ae32fdd08693bf4f01fc955d2",  # small-stride-b
        "50dd17d8e2a3c27cbf369e6a60cb4f58205774dcf5fbe931bb63eefe77f53d0a",  # small-vgg-a
        "fb70062fc88d4f4a2843ca280215e80aa2c6a401e90be7d49ecd020a6fa250cd",  # small-vgg-b
        "483f4f1bbf25d4213c44d015b57eedbbe989b2cfc332b946b25f8b178220fced",  # snn-cnn
        "a7cd4beeab695653584d648e837c18758d8f5acecadafe3502c7eb89a545ce0f",  # snn-resnet18
        "0baae3a448cce057dc25a95ee788880d942a220287cb3d83c7296adb9b0445bc",  # snn-resnet18-paper
        "6c14ebbfdc56d4775159cf114a95eb76db5e6b393184ea1f7fdaa425695cdabe",  # mnist-snn-step-000093
        "66bce2aea8a8205caea397f5ce302273d1978d1414d5ce89c9e05db6d1780211",  # mnist-snn-step-000001
        "825ff832dc40f272ddab7bde5b6d6a8b4cf78c1d7a1cea896aac44dedff77242",  # mnist-snn-step-002808
        "3379314d7e0f4c6825314dd9f5a2d5423b3826e261e8d1f230257dc0b4eca0ae",  # snn-cnn-step-000004
        "29df3cdc1e4ea5ea168cd5208566d81b51a19260317c5b800487a230efe1ef74",  # mnist-snn-step-000003
        "ca167b236396126606d75cf5f1893e4f2d810f78a5a0e7df539ca4522ad36e9f",  # snn-cnn-step-007020
        "17cbc85a535ec8d9b61ee2ad42919fac0dba3aaf84956e88838b38811c7c5f42",  # snn-cnn-step-001981
        "3cd9fa51a9f0fc07d09ef682184fa85568f8e783c659821733e73a467c503c70",  # snn-cnn-step-000001
        "0fbdb127b272cacf492ea6c131b2562201d26d525e7b3bba67e042a112180aee",  # mnist-snn-step-000030
        "971ab4de8e8799c506a899606d2bcf1fbb4bcd76a28011288681fa6331bc90f1",  # snn-cnn-step-000158
        "836d4031a53bb59053c0de848e22bba5dc511e078713fbb69120c69d3ccefeae",  # mnist-snn-step-000010
        "5cfc812ab3b7aa9deb39ead1aacb1b68dbd6537103e920f2b7c7b6267b1066de",  # snn-cnn-step-000013
        "ef6a0af4180b6a60f38a6d8c87ced21d815d4b27f0339d40699a5e9907f45ef4",  # mnist-snn-step-000290
        "ad9cf3fc122007ccf30f95bccf37f34ea05df40ecd191dd10eaafe5ae7b28598",  # snn-cnn-step-000045
        "9a319115e7f68cda8a34f1ffeb423a5b7744e2abfef6ccfc0d4a0f76ffc53657",  # mnist-snn-step-000903
        "5a2f94cd9b0d2c8d173e917ab7dde155229c13e002b233d030fccde43efedca8",  # snn-cnn-step-000559
    }
)
"""What `Card.fingerprint` would be by tensors and entries."""
