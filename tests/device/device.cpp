// A device that PyTorch takes for a CUDA GPU, and whose memory and kernels are the host's.
//
// It is here to find, on a machine without a GPU, what breaks on one: tensors on it do not mix with tensors on the CPU, are not seen by NumPy,
// and follow the CUDA rules of autocast. It says nothing about a GPU's speed, memory, or rounding. Attention always takes the plain path.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstring>

namespace at::native {  // exported by libtorch, declared in headers that the wheel does not carry
Tensor as_strided_tensorimpl(const Tensor&, IntArrayRef, IntArrayRef, std::optional<int64_t>);
Tensor view(const Tensor&, IntArrayRef);
Tensor _reshape_alias(const Tensor&, IntArrayRef, IntArrayRef);
Tensor unfold(const Tensor&, int64_t, int64_t, int64_t);
Tensor view_as_real(const Tensor&);
Tensor view_as_complex(const Tensor&);
}  // namespace at::native

namespace {

using namespace c10;
using at::Tensor;

const Device device(DeviceType::CUDA, 0);

struct Guard final : public impl::DeviceGuardImplInterface {
  DeviceType type() const override { return DeviceType::CUDA; }
  Device exchangeDevice(Device) const override { return device; }
  Device getDevice() const override { return device; }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device) const override { return Stream(Stream::DEFAULT, device); }
  Stream getNewStream(Device, int) const override { return Stream(Stream::DEFAULT, device); }
  Stream exchangeStream(Stream) const override { return Stream(Stream::DEFAULT, device); }
  DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const Stream&, const DeviceIndex, const EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  void recordDataPtrOnStream(const DataPtr&, const Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);

struct Hooks final : public at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  int getNumGPUs() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(DeviceIndex) const override {}
  DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
  DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
  Device getDeviceFromPtr(void*) const override { return device; }
  Allocator* getPinnedMemoryAllocator() const override { return GetAllocator(kCPU); }
  const at::Generator& getDefaultGenerator(DeviceIndex) const override { return at::detail::getDefaultCPUGenerator(); }
  at::Generator getNewGenerator(DeviceIndex) const override { return at::detail::createCPUGenerator(); }
  void deviceSynchronize(DeviceIndex) const override {}
};

struct Memory final : public Allocator {
  DataPtr allocate(size_t bytes) override {
    auto* held = new DataPtr(GetAllocator(kCPU)->allocate(bytes));
    return DataPtr(held->get(), held, [](void* pointer) { delete static_cast<DataPtr*>(pointer); }, device);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};
Memory memory;

// The same bytes on the other side. An empty tensor has no bytes to share, and may be resized by an `out` argument, so it is made anew.
Tensor across(const Tensor& tensor, Device to) {
  const auto options = tensor.options().device(to).requires_grad(false);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  const Tensor held = tensor.detach();
  return at::for_blob(tensor.data_ptr(), tensor.sizes())
      .strides(tensor.strides())
      .deleter([held](void*) {})
      .options(options)
      .target_device(to)
      .make_tensor();
}
Tensor to_host(const Tensor& tensor) { return tensor.defined() && tensor.is_cuda() ? across(tensor, kCPU) : tensor; }
Tensor to_device(const Tensor& tensor) { return tensor.defined() && tensor.is_cpu() ? across(tensor, device) : tensor; }

// CUDA takes indices from the CPU, and nothing else but numbers.
bool takes_host_indices(const std::string& name) {
  return name == "aten::index" || name == "aten::_unsafe_index" || name.find("index_put") != std::string::npos;
}

void on_the_host(const OperatorHandle& op, DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const size_t begin = stack->size() - schema.arguments().size();
  bool ours = false, hosts = false;
  std::vector<std::pair<Tensor, Tensor>> twins;
  auto turn = [&](const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    ours = ours || tensor.is_cuda();
    hosts = hosts || (tensor.is_cpu() && tensor.dim() > 0);
    const Tensor twin = to_host(tensor);
    if (tensor.is_cuda()) twins.emplace_back(tensor, twin);
    return twin;
  };
  for (size_t place = begin; place < stack->size(); ++place) {
    IValue& value = (*stack)[place];
    if (value.isTensor()) {
      value = turn(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> turned;
      for (const Tensor& tensor : value.toTensorVector()) turned.push_back(turn(tensor));
      value = turned;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> turned;
      for (const auto& tensor : value.toOptionalTensorVector()) turned.push_back(tensor ? std::optional<Tensor>(turn(*tensor)) : tensor);
      value = turned;
    } else if (value.isDevice() && value.toDevice().is_cuda()) {
      value = Device(kCPU);
    }
  }
  const std::string& name = schema.operator_name().name;
  TORCH_CHECK(!(ours && hosts) || takes_host_indices(name), "Expected all tensors to be on the same device, but found cuda:0 and cpu in ", name);
  op.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), stack);
  for (auto& [tensor, twin] : twins) {
    if (tensor.sizes() == twin.sizes()) continue;
    const Tensor resized = to_device(twin);
    TensorImpl* target = tensor.unsafeGetTensorImpl();
    target->set_storage_keep_dtype(resized.storage());
    target->set_storage_offset(0);
    target->set_sizes_and_strides(resized.sizes(), resized.strides());
  }
  auto back = [&](const Tensor& result) {
    for (auto& [tensor, twin] : twins) {
      if (result.defined() && twin.unsafeGetTensorImpl() == result.unsafeGetTensorImpl()) return tensor;
    }
    return to_device(result);
  };
  for (size_t place = stack->size() - schema.returns().size(); place < stack->size(); ++place) {
    IValue& value = (*stack)[place];
    if (value.isTensor()) {
      value = back(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> turned;
      for (const Tensor& tensor : value.toTensorVector()) turned.push_back(back(tensor));
      value = turned;
    }
  }
}

using Type = std::optional<ScalarType>;
using Flag = std::optional<bool>;

Tensor empty(IntArrayRef size, Type type, std::optional<Layout>, std::optional<Device>, Flag, std::optional<MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, DispatchKeySet(DispatchKey::CUDA), dtype_or_default(type), format);
}
Tensor empty_strided(IntArrayRef size, IntArrayRef stride, Type type, std::optional<Layout>, std::optional<Device>, Flag) {
  return at::detail::empty_strided_generic(size, stride, &memory, DispatchKeySet(DispatchKey::CUDA), dtype_or_default(type));
}
Tensor& copy_(Tensor& to, const Tensor& from, bool) {
  to_host(to).copy_(to_host(from));
  return to;
}
Tensor& set_part(Tensor& tensor, Storage storage, int64_t offset, IntArrayRef size, IntArrayRef stride) {
  TensorImpl* target = tensor.unsafeGetTensorImpl();
  target->set_storage_keep_dtype(std::move(storage));
  target->set_storage_offset(offset);
  target->set_sizes_and_strides(size, stride);
  return tensor;
}
Tensor& set_whole(Tensor& tensor, Storage storage) {
  const int64_t count = storage.nbytes() / tensor.dtype().itemsize();
  return set_part(tensor, std::move(storage), 0, {count}, {1});
}
int64_t plain_attention(const Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, double, bool, std::optional<double>, bool) {
  return 0;
}

}  // namespace

namespace at {
using HostHooks = ::Hooks;
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, HostHooks)
}  // namespace at

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_host>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("copy_", &copy_);
  library.impl("set_.source_Storage", &set_whole);
  library.impl("set_.source_Storage_storage_offset", &set_part);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("view_as_real", &at::native::view_as_real);
  library.impl("view_as_complex", &at::native::view_as_complex);
  library.impl("_fused_sdp_choice", &plain_attention);
  library.impl("convolution", torch::CppFunction::makeFromBoxedFunction<&on_the_host>());
  library.impl("convolution_backward", torch::CppFunction::makeFromBoxedFunction<&on_the_host>());
}
